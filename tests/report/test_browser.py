"""The report as a browser shows it, on a phone and on a screen."""

import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from cfcontra_mm.report import write_report

ARGUMENTS = ('--headless=new', '--no-sandbox', '--disable-dev-shm-usage')
BROKEN = (
    'return [...document.images].filter(i => !i.complete || !i.naturalWidth).length'
)
OVERFLOW = 'return document.scrollingElement.scrollWidth - innerWidth'
REQUESTS = 'return performance.getEntriesByType("resource").map(entry => entry.name)'

pytestmark = pytest.mark.slow


@pytest.fixture
def browser():
    driver = shutil.which('chromedriver')
    if not driver:
        pytest.skip('needs Chromium and its driver (Debian: chromium-driver)')
    options = webdriver.ChromeOptions()
    for argument in ARGUMENTS:
        options.add_argument(argument)
    options.set_capability('goog:loggingPrefs', {'browser': 'ALL'})
    found = webdriver.Chrome(options=options, service=Service(driver))
    yield found
    found.quit()


def show(browser, study, tmp_path, width=1440):
    size = dict(width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
    browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', size)
    browser.get(write_report(study, tmp_path / 'out').as_uri())
    for part in browser.find_elements(By.TAG_NAME, 'details'):
        browser.execute_script('arguments[0].open = true', part)


def shown_images(browser):
    images = browser.find_elements(By.CSS_SELECTOR, '#all-images > div')
    return [index for index, image in enumerate(images) if image.is_displayed()]


@pytest.mark.parametrize('width', [390, 1440])
def test_images_load_and_nothing_overflows(browser, study, tmp_path, width):
    show(browser, study, tmp_path, width)
    assert browser.execute_script('return innerWidth') == width
    assert browser.execute_script(OVERFLOW) <= 0
    assert browser.execute_script(BROKEN) == 0
    assert len(browser.find_elements(By.TAG_NAME, 'img')) == 16
    assert browser.execute_script(REQUESTS) == []
    assert browser.get_log('browser') == []


def test_the_slider_shows_an_image_at_a_time(browser, study, tmp_path):
    show(browser, study, tmp_path)
    slider = browser.find_element(By.ID, 'slider')
    output = browser.find_element(By.TAG_NAME, 'output')
    assert shown_images(browser) == [0]
    for number in (2, 3):
        slider.send_keys(Keys.ARROW_RIGHT)
        assert shown_images(browser) == [number - 1]
        assert output.text == f'{number} of 3'
        assert slider.get_attribute('aria-valuetext') == output.text
    slider.send_keys(Keys.HOME)
    assert shown_images(browser) == [0]


def test_the_keyboard_reaches_slider_and_details(browser, study, tmp_path):
    show(browser, study, tmp_path)
    reached = set()
    for _ in range(60):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        active = browser.switch_to.active_element
        reached.add(active.get_attribute('id') or active.tag_name)
    assert {'slider', 'summary', 'a', 'div'} <= reached


def test_without_a_script_all_images_are_shown(browser, study, tmp_path):
    browser.execute_cdp_cmd('Emulation.setScriptExecutionDisabled', {'value': True})
    show_without_script(browser, study, tmp_path)
    assert shown_images(browser) == [0, 1, 2]
    assert not browser.find_element(By.ID, 'slider').is_displayed()


def show_without_script(browser, study, tmp_path):
    browser.get(write_report(study, tmp_path / 'out').as_uri())
